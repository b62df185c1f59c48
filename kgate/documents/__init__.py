"""Files that people write: YAML → plain data with line numbers → frozen values, with every mistake found in one reading.

reading       text → mappings, sequences and scalars that know their lines; hostile files refused
structuring   plain data → attrs classes by cattrs, its errors turned into ``Mistake``s with lines
values        durations, sizes, instants, networks: one notation each, shared by every file
globs         ``*`` within one value, ``!`` to exclude: the same in every list of words
pem           PEM text taken apart
"""
