"""What passed through an exec or attach, kept as asciicasts. Pure: files and threads are net/'s, times are passed in.

cast      pieces of bytes → the lines of a cast, and lines → events
names     where a request's recording is, and which words name it
escapes   what of a terminal's control sequences is let through when it is played (security.md class 27)
page      the same as plain lines of text
playing   events → what is written when
"""
