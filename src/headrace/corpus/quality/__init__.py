"""Quality that is learnt from examples: how like good text a document is, and how surprising to a model of good text.

In: texts that show what is good (and, for the classifier, what is bad), then the texts of any corpus.
Out: one number per document, for rules to put thresholds on, and models as folders of plain arrays.
Promises: the same texts and seed give the same model, bit for bit; a text's score does not depend on its batch.
Not promised: that good text in a language or field without examples scores well.
"""
