"""Every training method on the same data, radii, seeds and schedule: which prevent CO, and at which cost?"""
