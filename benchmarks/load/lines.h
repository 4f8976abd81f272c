// lines.h: the lines that talkers send, how to recognise them again, and the ledger of who has received what.
//
// Talker 7's line number 12 is   u7: 00000012 0000000123456789 hhhhhhhh...
// that is a name, then TEXT: a sequence number, a time stamp (ns since the generator began), and padding whose letter
// depends on talker and number, so that two lines mixed into one are noticed. TEXT has one fixed length for a whole run.
// A line is accepted only if every byte of it is as it was sent; what a server may put *before* it is set by `dialect`.
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dialect {
  PLAIN,  // "u7: TEXT", or "<user5> u7: TEXT" as ncat --chat has it; "* ..." and "<announce> ..." are notices
  BARE,   // sent as TEXT by a talker that has taken its name with /nick; received as PLAIN
  IRC,    // sent as "PRIVMSG #t :TEXT", received as ":u7!user@host PRIVMSG #t :TEXT"; anything else is a notice
};

enum { MAX_LINE = 1024, LINE_OVERHEAD = 48 };

struct line {
  int talker;
  uint32_t number;
  uint64_t stamp;
};

enum verdict { IS_LINE, IS_NOTICE, IS_GARBLED };

void lines_set_up(enum dialect dialect, int talkers, int line_bytes);
int write_line(char *out, const struct line *line);                               // its length; at most MAX_LINE + LINE_OVERHEAD
enum verdict read_line(const char *text, size_t length, struct line *line);       // without its line end

// The ledger: every receiver must get every line of every talker once, and each talker's in order.
struct ledger {
  long delivered, reordered, duplicated;  // `delivered` counts each line once per receiver, in order or not
};
extern struct ledger ledger;

void ledger_set_up(int receivers, int talkers);
void ledger_enter(int receiver, const struct line *line);
uint32_t ledger_next(int receiver, int talker);  // the first line of that talker that is still to come

#endif
