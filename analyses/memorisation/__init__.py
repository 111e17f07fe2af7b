"""Memorisation and BAT-style training: estimates, controls, and flags across the breakpoint.

Tags: [P] said by the paper's abstract; [D] standard; [S] another public source; [U] believed to be the paper's, not
confirmed; [R] our choice; [H] a hypothesis of ours.
"""
