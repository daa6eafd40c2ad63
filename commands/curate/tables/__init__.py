"""Tables of metadata: opening them, the roles of their columns, label rules."""
