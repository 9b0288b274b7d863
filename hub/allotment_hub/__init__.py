"""The service beside the hub: look, propose, review, merge; and the deployment on a laptop."""
