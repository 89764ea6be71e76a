"""Networks, and the folder that holds a trained one."""
