"""The core of Nimbus Extensions. It knows no trigger and no HTTP status."""
