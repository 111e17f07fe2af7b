"""Local-ball training (reconstructed): what it costs and buys, whether its centre matters, which radius prevents CO."""
