"""One file in ``versions`` for each change of the tables, run in their order by ``kgate.store.migrate``."""
