"""Small models and texts that several chapters share."""
