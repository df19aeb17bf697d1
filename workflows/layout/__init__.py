"""Where the boxes and arrows of a graph of steps go, for those who draw one: `graph` a plan's, `report` a run's."""
