"""Whether a load of a library would work: its files, connections, servers, permissions, mail and storage."""
