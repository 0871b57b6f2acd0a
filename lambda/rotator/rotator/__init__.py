"""Changes the passwords of the database's users, one step of Secrets Manager at a time."""
