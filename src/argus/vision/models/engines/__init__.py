"""What runs a network: one module per engine behind one protocol. Importing this loads no engine."""
