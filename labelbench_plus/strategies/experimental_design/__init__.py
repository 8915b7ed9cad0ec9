"""Experimental design on features: where would labels pin a linear model down best?"""
