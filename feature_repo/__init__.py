"""What a feature is: catalogue, transforms, Feast definitions and the point-in-time offline store."""
