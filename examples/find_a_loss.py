"""Search the catalogue by what losses promise, and read a card."""

import lossary

print("Robust and smooth losses for regression:")
for definition in lossary.find(task="regression", claims=["bounded_gradient", "smooth"]):
    print(f"  {definition.name:24} {definition.card.source}")

card = lossary.get("pinball").card
print("\nPinball loss:", card.formula, "\nclaims:", *sorted(map(str, card.claims)), sep="\n  ")
