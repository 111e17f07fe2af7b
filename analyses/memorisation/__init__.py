"""Memorisation and BAT-style training: estimates, controls, and flags across the breakpoint."""
