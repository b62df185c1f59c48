"""Decisions that are not of this moment: those on record asked again. Pure; files are net/'s.

past      a decision on record, by another policy or explained
shadow    a candidate, asked beside the policy in force
turns     how two decisions differ
replay    every decision on record by another policy: what would change, by rule and by person
"""
