"""Many cameras in one process, none of them hurting another."""
