"""The web app and the JSON routes of trained models, on this machine."""
