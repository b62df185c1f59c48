"""Who did what, where, under which rule: records, one JSON line each, chained by hashes. Pure: files are net/'s, times and randomness are passed in.

ids       request ids that sort by time
record    model values → the fields of a record
line      the same for the two records of every request, encoded from pieces that repeat
read      the fields of a record → model values, so that a decision can be asked again
chain     fields → a sealed line; lines → whether the chain holds
search    which records are meant
show      a record for a person
text      strings of strangers, made fit for both
recording what passed through exec and attach: casts, how they are played and read
"""
