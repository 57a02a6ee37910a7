"""Azure Storage: tables, queues and the encryption of secrets kept in them."""
