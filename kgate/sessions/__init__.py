"""Who is live, under which decision; what changes reaches them here, and what is no longer allowed is cut.

registry   the live streams, re-decided on every change and at the instants at which their own decisions end
causes     the sentence that a person reads when a stream of theirs is cut
"""
