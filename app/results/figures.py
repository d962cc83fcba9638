"""Names, headings and order of the figures, on the Results page and in the report."""

FIGURES = {  # name -> heading, description for screen readers
    "forest": (
        "Effect of each setting\nThin lines: 95 % intervals clustered by prompt and rater. Pale bars: what votes treated as independent would claim.",
        "Effect of each setting on preference, with intervals",
    ),
    "wins": (
        "Who wins against whom\nFirst chosen criterion; ties count half; intervals treat votes as independent.",
        "Share of votes won, level against level",
    ),
    "acceptability": (
        "Good enough?\nAmong the ties: how often both were called good.",
        "Share of both good among ties",
    ),
    "pareto": (
        "Preference and cost\nFirst chosen criterion; coloured: none is both liked better and cheaper; hollow: a combination that nobody rated, predicted, hence wide.",
        "Rating against cost, with the Pareto front",
    ),
    "schedules": (
        "Shapes of guidance\nEach schedule's weights, coloured by its rating; dashed: nobody rated it.",
        "Guidance schedules coloured by rating",
    ),
    "parallel": (
        "All settings at once\nOne line a setting, coloured by its rating; dashed: a combination that nobody rated.",
        "Settings, cost and rating as parallel coordinates",
    ),
    "flaws": (
        "Where flaws were marked\nShare of codes inside a mark, interval clustered by picture; flat means anywhere.",
        "Flaw rate by place in the window, height and guidance",
    ),
    "conflicts": (
        "Where criteria disagree\nHow often a rater chose one picture of a pair under one criterion and the other under another.",
        "How often two criteria chose different pictures, by contrast",
    ),
    "coverage": ("Coverage of the design", "Ratings of every contrast"),
    "reliability": ("Agreement of raters\nPairs with at least two raters.", "Agreement measures with intervals"),
    "timeline": ("Votes over time", "Votes a day"),
}
SECTIONS = {  # heading -> rows of figures
    "What people prefer": (("forest",), ("wins", "acceptability")),
    "At what cost": (("pareto", "schedules"), ("parallel",)),
    "Flaws and disagreement": (("flaws",), ("conflicts",)),
    "Behind the numbers": (("coverage", "reliability"), ("timeline",)),
}
SECTION_OF = {name: title for title, rows in SECTIONS.items() for row in rows for name in row}
