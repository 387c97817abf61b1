"""`python -m standfast.sim`: see run.py."""

from standfast.sim.run import main

raise SystemExit(main())
