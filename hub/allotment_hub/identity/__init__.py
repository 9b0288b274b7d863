"""Who people are: sign-in through an identity provider, their groups, their accounts there, and how old that is."""
