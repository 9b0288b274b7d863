"""Proposals: checked, proposed, reviewed, merged; who may do what with one."""
