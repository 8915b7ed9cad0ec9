"""Experimental design on features: which labels determine a linear model best?"""
