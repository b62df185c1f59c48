"""The gate's own HTTP pages: for now those of the admin address."""
