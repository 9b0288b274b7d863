"""What somebody is about to propose: the form and the files that it stands for."""
