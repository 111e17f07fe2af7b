"""Pictures of runs and studies: timelines, phase diagrams, previews of interventions."""
