"""The service beside the hub, where profiles are viewed, proposed, reviewed and merged; and the laptop deployment."""
