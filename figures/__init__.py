"""Pictures of measured results: `gallery/` holds each with the result file it is drawn from."""
