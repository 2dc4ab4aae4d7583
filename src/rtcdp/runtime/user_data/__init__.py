"""What an installation knows of a user, how it is asked to forget it, and the receipts of that."""
