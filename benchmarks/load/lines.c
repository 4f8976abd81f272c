// lines.c: see lines.h. This is the inner loop of the generator. It takes a few dozen nanoseconds a line, so that the
// generator can outrun any server it measures.
#define _GNU_SOURCE
#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { NUMBER_DIGITS = 8, STAMP_DIGITS = 16, PADDING_AT = NUMBER_DIGITS + 1 + STAMP_DIGITS + 1, LETTERS = 26 };

static enum dialect dialect;
static int talkers;
static size_t text_bytes, padding_bytes;
static char padding[LETTERS][MAX_LINE];

void lines_set_up(enum dialect the_dialect, int talker_count, int line_bytes) {
  enum { NAME_BYTES = sizeof "u99: " - 1, LINE_END = 1, MIN_LINE = NAME_BYTES + PADDING_AT + 1 + LINE_END };
  dialect = the_dialect;
  talkers = talker_count;
  if (line_bytes < MIN_LINE) line_bytes = MIN_LINE;
  if (line_bytes > MAX_LINE) line_bytes = MAX_LINE;
  text_bytes = line_bytes - NAME_BYTES - LINE_END;
  padding_bytes = text_bytes - PADDING_AT;
  for (int i = 0; i < LETTERS; i++) memset(padding[i], 'a' + i, MAX_LINE);
}

static const char *padding_of(int talker, uint32_t number) { return padding[(talker + number) % LETTERS]; }

int write_line(char *out, const struct line *line) {
  char *p = out;
  if (dialect == IRC) p += sprintf(p, "PRIVMSG #t :");
  if (dialect == PLAIN) p += sprintf(p, "u%d: ", line->talker);
  p += sprintf(p, "%0*u %0*llu ", NUMBER_DIGITS, line->number, STAMP_DIGITS, (unsigned long long)line->stamp);
  memcpy(p, padding_of(line->talker, line->number), padding_bytes);
  p += padding_bytes;
  *p++ = '\n';
  return p - out;
}

// Read eight ASCII digits at once; false if one of them is no digit.
static inline bool eight_digits(const char *text, uint32_t *value) {
  uint64_t v;
  memcpy(&v, text, 8);
  uint64_t high = v & 0xF0F0F0F0F0F0F0F0, above_nine = (v + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0;
  if (high != 0x3030303030303030 || above_nine != 0x3030303030303030) return false;
  v = (v & 0x0F0F0F0F0F0F0F0F) * 2561 >> 8;              // pairs
  v = (v & 0x00FF00FF00FF00FF) * 6553601 >> 16;          // fours
  *value = (v & 0x0000FFFF0000FFFF) * 42949672960001 >> 32;
  return true;
}

static inline bool read_text(const char *text, size_t length, struct line *line) {
  uint32_t high, low;
  if (length != text_bytes || text[NUMBER_DIGITS] != ' ' || text[PADDING_AT - 1] != ' ') return false;
  if (!eight_digits(text, &line->number)) return false;
  text += NUMBER_DIGITS + 1;
  if (!eight_digits(text, &high) || !eight_digits(text + 8, &low)) return false;
  line->stamp = high * 100000000ull + low;
  return !memcmp(text + STAMP_DIGITS + 1, padding_of(line->talker, line->number), padding_bytes);
}

// Read "u7" at `text`: set the talker's number, return where the name ends; NULL if it is no talker's name.
static inline const char *read_name(const char *text, const char *end, int *talker) {
  int value = 0;
  const char *p = text + 1;
  if (text >= end || *text != 'u') return NULL;
  while (p < end && *p >= '0' && *p <= '9' && value < talkers) value = value * 10 + *p++ - '0';
  *talker = value;
  return p > text + 1 && value < talkers ? p : NULL;
}

static enum verdict read_irc(const char *text, const char *end, struct line *line) {
  static const char command[] = " PRIVMSG #t :";
  const char *body = memmem(text, end - text, command, sizeof command - 1);
  if (!body) return IS_NOTICE;
  const char *mask = read_name(text + 1, end, &line->talker);
  if (*text != ':' || !mask || *mask != '!') return IS_GARBLED;
  body += sizeof command - 1;
  return read_text(body, end - body, line) ? IS_LINE : IS_GARBLED;
}

enum verdict read_line(const char *text, size_t length, struct line *line) {
  const char *end = text + length;
  if (dialect == IRC) return read_irc(text, end, line);
  if (length >= 2 && text[0] == '*' && text[1] == ' ') return IS_NOTICE;
  if (length && *text == '<') {  // ncat
    if (length > 10 && !memcmp(text, "<announce>", 10)) return IS_NOTICE;
    const char *close = memchr(text, '>', length);
    if (!close) return IS_GARBLED;
    text = close + 2;
  }
  const char *p = read_name(text, end, &line->talker);
  if (!p || end - p < 2 || p[0] != ':' || p[1] != ' ') return IS_GARBLED;
  return read_text(p + 2, end - p - 2, line) ? IS_LINE : IS_GARBLED;
}

// ---- the ledger ----

struct ledger ledger;

// The lines that a receiver has skipped, one bit each. It is made only when a line first arrives out of order, so it
// costs nothing with a correct server.
struct gaps {
  uint32_t lines;
  uint8_t bits[];
};

static uint32_t *next_number;  // [receiver][talker]
static struct gaps **gaps;

void ledger_set_up(int receivers, int talker_count) {
  next_number = allocate((size_t)receivers * talker_count, sizeof *next_number);
  gaps = allocate((size_t)receivers * talker_count, sizeof *gaps);
}

static void remember_gap(struct gaps **slot, uint32_t from, uint32_t to) {
  uint32_t had = *slot ? (*slot)->lines : 0;
  if (to > had) {
    uint32_t lines = to < 1024 ? 2048 : 2 * to;
    struct gaps *bigger = allocate(1, sizeof *bigger + lines / 8 + 1);
    bigger->lines = lines;
    if (had) memcpy(bigger->bits, (*slot)->bits, had / 8 + 1);
    free(*slot);
    *slot = bigger;
  }
  for (uint32_t i = from; i < to; i++) (*slot)->bits[i / 8] |= 1 << i % 8;
}

static bool fill_gap(struct gaps *missing, uint32_t number) {
  if (!missing || number >= missing->lines || !(missing->bits[number / 8] & 1 << number % 8)) return false;
  missing->bits[number / 8] &= ~(1 << number % 8);
  return true;
}

void ledger_enter(int receiver, const struct line *line) {
  size_t at = (size_t)receiver * talkers + line->talker;
  if (line->number < next_number[at]) {
    if (fill_gap(gaps[at], line->number)) {
      ledger.reordered++;
      ledger.delivered++;
    } else {
      ledger.duplicated++;
    }
    return;
  }
  if (line->number > next_number[at]) remember_gap(&gaps[at], next_number[at], line->number);
  next_number[at] = line->number + 1;
  ledger.delivered++;
}

uint32_t ledger_next(int receiver, int talker) { return next_number[(size_t)receiver * talkers + talker]; }
