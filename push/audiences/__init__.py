"""Whom a push means: rule trees and saved segments, who agreed, who can be reached, who is held out."""
