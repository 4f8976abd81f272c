"""
The commands about what was said before (/history, /since, /search, /topic), and about how lines are written.

Like the other commands (commands.py), they run in the connection's own thread, and raise ChatError with a sentence for
the user.
"""

from __future__ import annotations

from datetime import datetime

from threadchat.base.errors import ChatError, HistoryError
from threadchat.chat.caller import ANNOUNCED_COST, Caller
from threadchat.chat.events import Kind
from threadchat.chat.history import Found

#: How many lines /history shows if it is given no number, and how many at most.
HISTORY_LINES, MOST_HISTORY_LINES = 20, 500

#: How many lines /search shows at a time.
PAGE = 20

MAX_TOPIC_CHARACTERS = 300


def show_history(caller: Caller, argument: str) -> None:
    """Show the last lines of talk."""
    lines = _number(argument or str(HISTORY_LINES), "/history [LINES]", 1, MOST_HISTORY_LINES)
    try:
        events = caller.room.history.tail(lines)
    except HistoryError:
        raise ChatError("The history cannot be read just now. Try again later.") from None
    wire, member = caller.member.format, caller.member
    if not events:
        member.notice("Nothing has been said here that is kept.")
        return
    count = sum(event.size for event in events)
    header = wire.notice(f"The last {count} lines here:" if count > 1 else "The last line here:")
    member.outlet.answer(header + b"".join(map(wire.event, events)) + wire.notice("That was all."))


def show_since(caller: Caller, argument: str) -> None:
    """Show everything after a number, then go on with what is new."""
    room = caller.room
    number = _number(argument.removeprefix("#"), "/since NUMBER", 0, room.number)
    room.rewind(caller.member, number, f"Everything after #{number}:")


def search(caller: Caller, argument: str) -> None:
    """Show lines that have all words, the newest first. Without words, show the next page."""
    if argument:
        caller.searched = argument.split(), None
    if caller.searched is None:
        raise ChatError("Usage: /search WORDS")
    words, before = caller.searched
    try:
        found = caller.room.history.search(words, before, PAGE + 1)
    except HistoryError:
        raise ChatError("The history cannot be searched just now. Try again later.") from None
    if not found:
        caller.searched = None
        raise ChatError("No more lines have that." if before else f"No line that is kept has {' and '.join(words)}.")
    caller.member.tell(*map(_shown, found[:PAGE]))
    if len(found) > PAGE:
        caller.searched = words, found[PAGE - 1].number
        caller.member.notice("There are more: /search shows the next ones.")
    else:
        caller.searched = None
        caller.member.notice("That was all.")


def topic(caller: Caller, argument: str) -> None:
    """Show the room's topic, or set it. A single - removes it."""
    current = caller.room.history.topic
    if not argument:
        caller.member.notice(f"The topic is: {current}" if current else "There is no topic. /topic TEXT sets it.")
        return
    wanted = "" if argument == "-" else argument
    if len(wanted) > MAX_TOPIC_CHARACTERS:
        raise ChatError(f"A topic has at most {MAX_TOPIC_CHARACTERS} characters.")
    if wanted == current:
        raise ChatError("That is the topic already." if current else "There is no topic.")
    caller.room.say(caller.member, Kind.TOPIC, [wanted])
    caller.owed += ANNOUNCED_COST
    caller.member.notice(f"You have set the topic: {wanted}" if wanted else "You have removed the topic.")


def numbers(caller: Caller, argument: str) -> None:
    """Switch the numbers in front of lines on or off."""
    caller.choose(numbers=_switch(argument, "numbers"))
    caller.member.notice(
        "Lines begin with their numbers now." if caller.member.format.numbers else "No numbers any more."
    )


def times(caller: Caller, argument: str) -> None:
    """Switch the time of day in front of lines on or off."""
    caller.choose(times=_switch(argument, "times"))
    caller.member.notice("Lines begin with their time now." if caller.member.format.times else "No times any more.")


def _shown(found: Found) -> str:
    at = datetime.fromtimestamp(found.at / 1000).astimezone()
    return f"#{found.number} {at:%Y-%m-%d %H:%M} {found.name}: {found.text}"


def _number(text: str, usage: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ChatError(f"Usage: {usage}")
    if not least <= int(text) <= most:
        raise ChatError(f"That is a number from {least} to {most}.")
    return int(text)


def _switch(text: str, command: str) -> bool:
    if text.casefold() not in ("on", "off"):
        raise ChatError(f"Usage: /{command} on|off")
    return text.casefold() == "on"
