"""One configuration file → frozen ``Settings`` and everything it names, every mistake reported at once with its place.

    shapes     what the file may say
    files      reading what it names
    load       the file itself → ``Settings``
    checks     what only shows when its parts are held against each other and against the files they name
    report     all of it for a person: ``kgate check``

``load_configuration`` is the one way in: a start, a reload and ``kgate check`` read and check the very same things, so what passes the check starts.
"""

from kgate.settings.checks import Configuration, load_configuration
from kgate.settings.load import load_settings
from kgate.settings.shapes import Settings

__all__ = ["Configuration", "Settings", "load_configuration", "load_settings"]
