"""What lives in the hub's process: the mixin that decides at every start, the shared follower, the writer of events."""
