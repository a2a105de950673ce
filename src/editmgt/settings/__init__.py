"""Settings: what each is called, which values it takes, and where it says nothing, declared once and derived from there."""
