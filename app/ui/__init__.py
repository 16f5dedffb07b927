"""What pages are made of: state in the address, French texts and formats, colours, maps and charts."""
