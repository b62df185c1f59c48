#!/bin/sh
# Ask the API server's code again. Needs Go and its module proxy; the vectors are kept, so the tests need neither.
set -eu
cd "$(dirname "$0")"
go run . | gzip -9n > ../requestinfo_vectors.jsonl.gz
