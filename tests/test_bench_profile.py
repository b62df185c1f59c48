"""Stacks as ``perf script`` prints them, folded."""

from __future__ import annotations

from bench.profile import fold

PRINTED = """twistd
\tffffffff81a2b3c4 tcp_sendmsg ([kernel.kallsyms])
\t    7f1217912140 [unknown] (/usr/lib/x86_64-linux-gnu/libssl.so.3)
\t          579226 _start (/usr/bin/python3.11)

twistd
\tffffffff81a2b3c4 tcp_sendmsg ([kernel.kallsyms])
\t    7f1217912140 [unknown] (/usr/lib/x86_64-linux-gnu/libssl.so.3)
\t          579226 _start (/usr/bin/python3.11)

audit writer
\t    7f1217912140 std::vector<int (*)()>::at(int) (/opt/lib.so)

"""


def test_the_outermost_function_comes_first_and_the_same_stacks_are_counted_together() -> None:
    assert fold(PRINTED.splitlines()) == {"twistd;_start;[libssl.so.3];tcp_sendmsg": 2, "audit writer;std::vector<int (*)()>::at(int)": 1}
