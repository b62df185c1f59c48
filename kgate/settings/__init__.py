"""One configuration file → frozen ``Settings`` and everything it names, every mistake reported at once with its place.

Each section of the file has a module, with what it may say, what only shows against the other sections and the files that it names, and what those give:

    listen, clusters, policies, authorizers      the sections of that name
    identity       of which credentials, issuers and people are parts
    surroundings   geo data and facts
    operation      audit, secrets, sign_in, admin, limits, deadlines
    shapes         the whole file

    values         kinds of value;  certificates  what can be said of one
    load           the file itself → ``Settings``
    reading, files      one reading, with its mistakes and warnings
    configuration       all of it;  watched  the files whose change is a reload
    report         all of it for a person: ``kgate check``

``load_configuration`` is the one way in: a start, a reload and ``kgate check`` read and check the very same things, so what passes the check starts.
"""

from kgate.settings.configuration import Configuration, load_configuration
from kgate.settings.load import load_settings
from kgate.settings.shapes import Settings

__all__ = ["Configuration", "Settings", "load_configuration", "load_settings"]
