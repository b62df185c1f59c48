"""What a cluster is like to the gate: ``kgate clusters check``. Pure: ``net/inspecting`` goes there and looks, by the very way that requests go.

seen       all that was seen of one cluster
findings   what of it is not as it should be, and what to do about it
"""
