"""What commands read: options, environment, files and journals."""
