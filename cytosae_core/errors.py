"""Every error that the workbench raises on purpose.

    CytosaeError
    ├── ConfigError              a setting or argument that cannot work
    ├── ArtifactError            a folder on disk is not what it claims to be
    │   ├── FormatVersionError   it was written by another version of the format
    │   └── ChecksumError        a file was changed or cut off after it was published
    ├── ReleaseError             published tables that contradict each other or the images
    ├── ImageError               an image file that cannot be used
    ├── ImageTableError          a list of images that cannot be used
    ├── BackboneError            a checkpoint that does not fit its model
    ├── TrainingError            a training run that cannot go on
    ├── StudyError               a study that is not what was published, or cannot be made
    ├── AnnotationError          something about raters and judgements
    │   ├── SignInError          a code that is wrong, expired or tried too often
    │   ├── AnswerError          answers that do not fit the protocol
    │   ├── SubmitRefusedError   a judgement that must not be stored
    │   └── DatabaseError        the database cannot take or give what was asked
    │       ├── SchemaVersionError
    │       ├── DatabaseBusyError
    │       ├── DatabaseGoneError
    │       └── StorageFullError
    └── AnalysisError            data that a statistic cannot be computed from

Messages say what is wrong, with which value, and what to do about it.
"""


class CytosaeError(Exception):
    """Base of all errors raised on purpose; its text can be shown to a user as it is."""


class ConfigError(CytosaeError):
    """A setting or argument that cannot work."""


class ArtifactError(CytosaeError):
    """A folder on disk is not what it claims to be."""


class FormatVersionError(ArtifactError):
    """An artifact was written by another version of its format."""


class ChecksumError(ArtifactError):
    """A file differs from what its manifest recorded."""


class ReleaseError(CytosaeError):
    """Published tables contradict each other, or the images they are said to describe."""


class ImageError(CytosaeError):
    """An image file cannot be read or must not be used."""


class ImageTableError(CytosaeError):
    """A list of images cannot be used as it is."""


class BackboneError(CytosaeError):
    """A checkpoint does not fit the model it is loaded into."""


class TrainingError(CytosaeError):
    """A training run cannot go on."""


class StudyError(CytosaeError):
    """A study is not what was published, or cannot be made from this atlas."""


class AnnotationError(CytosaeError):
    """Something about raters and judgements."""


class SignInError(AnnotationError):
    """A rater or access code is wrong, or was tried too often."""


class AnswerError(AnnotationError):
    """Answers do not fit the questions of the protocol."""


class SubmitRefusedError(AnnotationError):
    """A judgement must not be stored: stale, too fast, or already there."""


class DatabaseError(AnnotationError):
    """The database cannot take or give what was asked."""


class SchemaVersionError(DatabaseError):
    """The database was written by a newer version of the workbench."""


class DatabaseBusyError(DatabaseError):
    """Another process held the database for longer than the timeout."""


class DatabaseGoneError(DatabaseError):
    """The file that is open is no longer the one at its path, so what is written into it would be lost."""


class StorageFullError(DatabaseError):
    """The disk, or the database's page limit, is full."""


class AnalysisError(CytosaeError):
    """A statistic cannot be computed from this data."""
