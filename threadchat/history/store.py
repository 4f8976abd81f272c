"""
The database that is in use, or why there is none now; and the file of numbers, which works without a database.

The database is opened again after it was deleted or damaged, or after its disk was away. One thread does that.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from threadchat.base.errors import ConfigError, HistoryError
from threadchat.base.log import Log
from threadchat.history import problems, schema
from threadchat.history.database import PATIENCE, Database, Durability, Kept
from threadchat.history.directory import Directory, InUse
from threadchat.history.numbers import Numbers

Result = TypeVar("Result")
Adopt = Callable[[Sequence[Kept]], None]


class Store:
    """
    What is in the directory at *path*; nothing before :meth:`open`.

    ``writing`` is the lock for writes; ``searching`` is the lock for queries that look at every line.
    """

    def __init__(self, path: Path, durability: Durability, log: Log) -> None:
        self._path = path
        self._durability: Durability = durability
        self._log = log
        self.writing = threading.Lock()
        self.searching = threading.Lock()
        self.problem = "it is not open"  # why nothing can be written, or read; empty if it can
        self.numbers: Numbers | None = None
        self._directory: Directory | None = None
        self._database: Database | None = None
        self._was_open = False
        self._is_damaged = False
        self._is_stuck = False  # what fails with these connections may work with new ones

    @property
    def database(self) -> Database:
        """The database. Raises HistoryError if there is none."""
        if (database := self._database) is None:
            raise HistoryError(self._sentence())
        return database

    def read(self, query: Callable[[Database, sqlite3.Connection], Result]) -> Result:
        """Return what *query* makes of a database, and a connection to read from. Raises HistoryError."""
        database = self.database
        try:
            with database.readers.connection() as connection:
                return query(database, connection)
        except (sqlite3.Error, LookupError, TypeError, ValueError) as error:
            if self._database is database:
                self._note(error)
            raise HistoryError(self._sentence()) from None

    def write(self, change: Callable[[Database], Result]) -> Result:
        """Return what *change* does to the database. Caller holds the lock. Raises HistoryError."""
        database = self.database
        try:
            result = change(database)
        except sqlite3.Error as error:
            self._note(error)
            database.set_patience(0)  # so that the next writes do not wait for the same lock, too
            raise HistoryError(self._sentence()) from None
        if self.problem:
            self.problem = ""
            database.set_patience(PATIENCE)
        return result

    def open(self, adopt: Adopt) -> None:
        """
        Open what is not open. Before anything can be written, *adopt* is called with what is known of rooms.

        Raises ConfigError if a person has to solve a problem, HistoryError if the problem may go away by itself.
        """
        try:
            if self._directory is None:
                self._directory = Directory(self._path)
            if self.numbers is None:
                self.numbers = Numbers(self._directory.numbers)
            database = self._open_database(self._directory, self.numbers)
            try:
                adopt(database.rooms())
            except BaseException:
                database.close()
                raise
        except InUse:
            raise self._refused("another threadchat uses it: stop that one, or choose another directory") from None
        except schema.Unknown as unknown:
            raise self._refused(str(unknown)) from None
        except OSError as error:
            self.problem = (error.strerror or str(error)).lower()
            if error.errno in problems.PASSING:
                raise HistoryError(self._sentence()) from None
            raise self._refused(self.problem) from None
        except sqlite3.Error as error:
            self._note(error)
            raise HistoryError(self._sentence()) from None
        self._is_damaged = self._is_stuck = False
        self._was_open = True
        self._database = database
        self.problem = ""

    def mend(self, adopt: Adopt) -> None:
        """Check that everything is in place and works; open again what does not. Only one thread may call this."""
        if not all(part is None or part.is_in_place() for part in (self._directory, self.numbers)):
            self._let_go("its directory, or its file of numbers, was deleted or replaced", is_away=True)
            self._close_directory()
        elif self._database and not self._database.is_in_place():
            self._let_go("it was deleted or replaced", is_away=True)
        elif self._is_damaged or self._is_stuck:
            self._let_go(self.problem)
        if self._database is None:
            problem = self.problem
            try:
                self.open(adopt)
            except (ConfigError, HistoryError):
                return  # as self.problem says
            self._log.warning("history_reopened", path=str(self._path), problem=problem)
        elif self.numbers:
            self.numbers.make_room()

    def checkpoint(self) -> None:
        """Put what is in the database's log into the database. Only the thread that mends may call this."""
        if (database := self._database) is not None:
            try:
                database.checkpoint(self.writing)
            except sqlite3.Error as error:
                if problems.code(error) in problems.DAMAGED | problems.STUCK:
                    self._note(error)

    def close(self) -> None:
        """Close everything, and note the state that the database is left in."""
        was_sound = self._database is not None and not self._is_damaged
        self._let_go("it is closed")
        self._close_directory(was_sound)

    def _open_database(self, directory: Directory, numbers: Numbers) -> Database:
        path = directory.database
        thorough = not self._was_open and not numbers.was_left(directory.state())
        if not self._is_damaged:
            try:
                return Database(path, self._durability, thorough)
            except sqlite3.Error as error:
                if problems.code(error) not in problems.DAMAGED:
                    raise
        aside = directory.set_aside()
        self._is_damaged = False
        self._log.error("history_damaged", path=str(path), moved_to=str(aside))
        return Database(path, self._durability)

    def _let_go(self, problem: str, is_away: bool = False) -> None:
        """Close the database, if it is open, because of a *problem*; *is_away*: its file may not be where it was."""
        with self.writing:
            database, self._database = self._database, None
            self.problem = problem
        if database is not None:
            if is_away and not database.is_in_place():
                database.abandon()
            else:
                database.close()

    def _close_directory(self, was_sound: bool = False) -> None:
        if self.numbers is not None:
            self.numbers.close(self._directory.state() if self._directory and was_sound else "")
            self.numbers = None
        if self._directory is not None:
            self._directory.close()
            self._directory = None

    def _note(self, error: Exception) -> None:
        """Note what the *error* of a reader or writer means."""
        if isinstance(error, sqlite3.Error):
            code = problems.code(error)
            self._is_damaged |= code in problems.DAMAGED
            self._is_stuck |= code in problems.STUCK
            self.problem = problems.sentence(error)
        else:  # a value that we cannot have written
            self._is_damaged = True
            self.problem = "it is damaged"

    def _sentence(self) -> str:
        return f"the history in {self._path} cannot be used: {self.problem}"

    def _refused(self, problem: str) -> ConfigError:
        self.problem = problem
        return ConfigError([f"history.state: {self._path}: {problem}"])
