"""The fault suite: a whole installation on this machine, broken on purpose."""
