"""Everything that the store refuses. The text of each error may be shown to the visitor."""


class StorageError(ValueError):
    """Base of all refusals; a ValueError, because the caller asked for something that cannot be."""


class NotFound(StorageError):
    """Unknown, deleted, or not yours: the three look the same on purpose."""


class NotAllowed(StorageError):
    """The row is visible, but this action on it is not yours."""


class WrongState(StorageError):
    """The row exists but cannot do that now (a closed study, a finished job)."""


class AssignmentExpired(StorageError):
    """The comparison was shown too long ago; ask for another one."""


class DuplicateVote(StorageError):
    """This assignment already has a vote on this criterion."""


class UndoTooLate(StorageError):
    """The window in which a vote may be taken back has passed."""


class QueueFull(StorageError):
    """Too many jobs wait, in all or for this owner."""


class UnknownRevision(StorageError):
    """The database was written by another version of this program; it is not opened."""
