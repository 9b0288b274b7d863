"""What runs in the hub's process: the mixin that decides every start, the shared catalog watcher and event writer."""
