"""Which loss did better, or was it luck?"""
