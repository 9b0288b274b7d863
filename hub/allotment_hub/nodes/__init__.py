"""What the nodes of a cluster hold before somebody asks for it: the images of profiles."""
